import { parseSync } from 'oxc-parser';

/** One small change of a source file that its tests should notice. */
export interface Mutant {
  /** Path from the root of the repository. */
  readonly file: string;
  readonly operator: Operator;
  /** 1-based. */
  readonly line: number;
  /** Half-open range of UTF-16 code units that `to` takes the place of. */
  readonly start: number;
  readonly end: number;
  /** The expression or statement that is written twice, as it is and mutated, with a switch between. */
  readonly site: Site;
  /** What stands there, on one line. */
  readonly from: string;
  readonly to: string;
  /** The trimmed line it begins on. */
  readonly at: string;
}

/** What is written twice. A `method` is only a name with the dot before it: a copy of its call would cut an optional chain. */
export interface Site {
  readonly kind: 'expression' | 'statement' | 'method';
  readonly start: number;
  readonly end: number;
}

/** What is changed. Each name is a row of `docs/mutation-testing.md`. */
export type Operator =
  | 'boundary'
  | 'equality'
  | 'negation'
  | 'logical'
  | 'arithmetic'
  | 'method'
  | 'statement'
  | 'literal'
  | 'property'
  | 'coalesce'
  | 'default'
  | 'ternary';

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

interface Edit {
  readonly operator: Operator;
  readonly start: number;
  readonly end: number;
  readonly to: string;
  readonly site: Site;
}

const SWAPS: Readonly<Record<string, readonly [Operator, string]>> = {
  '<': ['boundary', '<='],
  '<=': ['boundary', '<'],
  '>': ['boundary', '>='],
  '>=': ['boundary', '>'],
  '===': ['equality', '!=='],
  '!==': ['equality', '==='],
  '&&': ['logical', '||'],
  '||': ['logical', '&&'],
  '+': ['arithmetic', '-'],
  '-': ['arithmetic', '+'],
  '*': ['arithmetic', '/'],
  '/': ['arithmetic', '*'],
  '+=': ['arithmetic', '-='],
  '-=': ['arithmetic', '+='],
  '++': ['arithmetic', '--'],
  '--': ['arithmetic', '++'],
};
const METHODS: ReadonlyMap<string, string> = new Map([
  ['some', 'every'],
  ['every', 'some'],
  ['min', 'max'],
  ['max', 'min'],
  ['find', 'findLast'],
  ['findLast', 'find'],
]);

/** Tables of help for people: their texts are no behaviour. */
const HELP_TABLES: ReadonlySet<string> = new Set(['EVENTS']);

/**
 * Every mutant of a file, in the order of the text. Left alone: types, imports, exports' names, comments, template literals and
 * texts with a blank in them (messages for people), `assert` with all it says, the messages and details of errors, tables of help.
 * @throws Error when the file does not parse.
 */
export function mutantsOf(file: string, text: string): Mutant[] {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file} does not parse: ${errors[0]?.message}`);
  const edits: Edit[] = [];
  visit(program as unknown as Node, null, (node, parent) => {
    edits.push(...editsOf(node, parent, text));
  });
  const seen = new Set<string>();
  const mutants: Mutant[] = [];
  for (const { operator, start, end, to, site } of edits.sort((one, other) => one.start - other.start || one.end - other.end)) {
    const key = `${start}:${end}:${to}`;
    const from = oneLine(text.slice(start, end));
    if (seen.has(key) || from === oneLine(to)) continue;
    seen.add(key);
    const line = text.slice(0, start).split('\n').length;
    mutants.push({ file, operator, line, start, end, site, from, to, at: (text.split('\n')[line - 1] ?? '').trim() });
  }
  return mutants;
}

/** A text without its line breaks, as reports and keys hold it. */
export function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}

/** Walks the part of the tree that runs and means something; `see` is told each node and its parent. */
function visit(node: Node, parent: Node | null, see: (node: Node, parent: Node | null) => void): void {
  if (isLeftAlone(node, parent)) return;
  see(node, parent);
  for (const [key, value] of Object.entries(node)) {
    if (key === 'typeAnnotation' || key === 'typeArguments' || key === 'returnType' || key === 'typeParameters') continue;
    if (parent === null && key !== 'body') continue;
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child !== null && typeof child === 'object' && typeof child.type === 'string') visit(child as Node, node, see);
    }
  }
}

const EXPRESSION_WRAPPERS: ReadonlySet<string> = new Set(['TSAsExpression', 'TSNonNullExpression', 'TSSatisfiesExpression']);

function isLeftAlone(node: Node, parent: Node | null): boolean {
  if (node.type.startsWith('TS')) return !EXPRESSION_WRAPPERS.has(node.type);
  if (node.type === 'ImportDeclaration' || node.type === 'TemplateLiteral') return true;
  if (node.type === 'ExportNamedDeclaration' && node['source']) return true;
  if (node.type === 'VariableDeclarator') return HELP_TABLES.has(nameOf(node['id']));
  if (node.type === 'CallExpression') return nameOf(node['callee']) === 'assert';
  return parent !== null && isErrorMessage(node, parent);
}

/** What `new NervaError(code, message, { details, cause })` and `new Error(message)` say to people; the code is behaviour. */
function isErrorMessage(node: Node, parent: Node): boolean {
  if (parent.type !== 'NewExpression') return false;
  const args = parent['arguments'] as readonly Node[];
  const name = nameOf(parent['callee']);
  return name.endsWith('Error') && args.indexOf(node) >= (name === 'NervaError' ? 1 : 0);
}

function editsOf(node: Node, parent: Node | null, text: string): Edit[] {
  switch (node.type) {
    case 'BinaryExpression':
    case 'LogicalExpression':
    case 'AssignmentExpression':
    case 'UpdateExpression':
      return operatorEdits(node, text);
    case 'IfStatement':
    case 'WhileStatement':
      return negated(node['test'] as Node, text);
    case 'ForStatement':
      return node['test'] ? negated(node['test'] as Node, text) : [];
    case 'UnaryExpression':
      return node['operator'] === '!' ? [edit('negation', node, slice(node['argument'], text))] : [];
    case 'ConditionalExpression':
      return [edit('ternary', node, slice(node['consequent'], text)), edit('ternary', node, slice(node['alternate'], text))];
    case 'AssignmentPattern':
      return [edit('default', node['right'] as Node, 'undefined')];
    case 'CallExpression':
      return methodEdits(node);
    case 'ObjectExpression':
      return (node['properties'] as readonly Node[]).map((property) => dropped(property, node, text));
    case 'ArrayExpression':
      return (node['elements'] as readonly unknown[]).length > 0 ? [edit('literal', node, '[]')] : [];
    case 'Literal':
      return literalEdits(node, parent);
    default:
      return isRemovable(node, parent) ? [{ ...edit('statement', node, ';'), site: siteOf(node, 'statement') }] : [];
  }
}

function operatorEdits(node: Node, text: string): Edit[] {
  const operator = String(node['operator']);
  if (operator === '??')
    return [edit('coalesce', node, `(${slice(node['left'], text)})`), edit('coalesce', node, `(${slice(node['right'], text)})`)];
  const swap = SWAPS[operator];
  if (swap === undefined) return [];
  const from = node.type === 'UpdateExpression' ? node.start : (node['left'] as Node).end;
  const start = text.indexOf(operator, from);
  return [{ operator: swap[0], start, end: start + operator.length, to: swap[1], site: siteOf(node) }];
}

/** A condition turned round, unless turning its only operator round says the same. */
function negated(test: Node, text: string): Edit[] {
  const isEquality = test.type === 'BinaryExpression' && /^[!=]==$/.test(String(test['operator']));
  return isEquality || test.type === 'UnaryExpression' || test.type === 'Literal'
    ? []
    : [edit('negation', test, `!(${slice(test, text)})`)];
}

function methodEdits(node: Node): Edit[] {
  const callee = node['callee'] as Node;
  const property = callee['property'] as Node | undefined;
  const to = property === undefined ? undefined : METHODS.get(nameOf(property));
  // `store.find`-like names of ports do not occur; what is called find, some or min here is an array's or Math's.
  return to === undefined || property === undefined ? [] : [{ ...edit('method', property, to), site: siteOf(property, 'method') }];
}

/** The property with the comma after it. */
function dropped(property: Node, object: Node, text: string): Edit {
  const comma = /^\s*,/.exec(text.slice(property.end))?.[0].length ?? 0;
  return { operator: 'property', start: property.start, end: property.end + comma, to: '', site: siteOf(object) };
}

function literalEdits(node: Node, parent: Node | null): Edit[] {
  const value = node['value'];
  // A literal that names a member is not a value.
  if (parent?.type === 'Property' && parent['key'] === node) return [];
  if (typeof value === 'boolean') return [edit('literal', node, String(!value))];
  if (typeof value === 'number') return [edit('literal', node, value === 0 ? '1' : value === 1 ? '0' : String(value + 1))];
  if (typeof value !== 'string' || value.includes(' ') || parent?.type === 'ExpressionStatement') return [];
  return [edit('literal', node, value === '' ? "'x'" : "''")];
}

/** Calls, assignments and early ways out. The last `return` of a function is its value and no statement to remove. */
function isRemovable(node: Node, parent: Node | null): boolean {
  switch (node.type) {
    case 'ExpressionStatement':
      return (node['expression'] as Node).type !== 'Literal' && !isAssertion(node['expression'] as Node);
    case 'ThrowStatement':
    case 'ContinueStatement':
    case 'BreakStatement':
      return true;
    case 'ReturnStatement': {
      if (parent?.type !== 'BlockStatement') return true;
      const statements = parent['body'] as readonly Node[];
      return statements.at(-1) !== node || node['argument'] === null;
    }
    default:
      return false;
  }
}

function isAssertion(node: Node): boolean {
  return node.type === 'CallExpression' && nameOf(node['callee']) === 'assert';
}

function nameOf(node: unknown): string {
  return String((node as { readonly name?: unknown } | undefined)?.name ?? '');
}

function slice(node: unknown, text: string): string {
  return text.slice((node as Node).start, (node as Node).end);
}

function edit(operator: Operator, node: Node, to: string): Edit {
  return { operator, start: node.start, end: node.end, to, site: siteOf(node) };
}

function siteOf({ start, end }: Node, kind: Site['kind'] = 'expression'): Site {
  return { kind, start, end };
}
