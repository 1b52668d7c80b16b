import { parseSync } from 'oxc-parser';

/** One `import` or `export … from` of a file. */
export interface Import {
  readonly from: string;
  /** `export … from`. */
  readonly isReexport: boolean;
  readonly line: number;
}

/** One name that a file exports. */
export interface Export {
  /** `*` for `export *` and `export type *`. */
  readonly name: string;
  readonly isType: boolean;
  readonly isReexport: boolean;
  /** Whether a docstring stands right before the declaration. */
  readonly hasDocstring: boolean;
  readonly line: number;
}

/** What the tidy checks need to know of a source file. */
export interface Source {
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  /** Names that are used and declared nowhere in the file, with the line of their first use. */
  readonly globals: ReadonlyMap<string, number>;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

/** Reads a TypeScript file. @throws Error when it does not parse, with the path. */
export function readSource(path: string, text: string): Source {
  const { program, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0]?.message}`);
  const lineAt = (offset: number): number => text.slice(0, offset).split('\n').length;
  const docstringEnds = comments
    .filter((comment) => comment.type === 'Block' && comment.value.startsWith('*'))
    .map((comment) => comment.end);
  const isDocumented = (node: Node): boolean =>
    docstringEnds.some(
      (end) =>
        end <= node.start &&
        text
          .slice(end, node.start)
          .replaceAll(/\/\/.*$/gm, '')
          .trim() === '',
    );
  const body = program.body as unknown as readonly Node[];
  const imports: Import[] = [];
  const exports: Export[] = [];
  for (const node of body) {
    const source = node['source'] as Node | null | undefined;
    const line = lineAt(node.start);
    if (source) imports.push({ from: String(source['value']), isReexport: node.type !== 'ImportDeclaration', line });
    if (node.type.startsWith('Export')) exports.push(...exportsOf(node, body, isDocumented).map((found) => ({ ...found, line })));
  }
  imports.push(...dynamicImports(text).map(({ from, offset }) => ({ from, isReexport: false, line: lineAt(offset) })));
  return { imports, exports, globals: globalsOf(program as unknown as Node, lineAt) };
}

function exportsOf(node: Node, body: readonly Node[], isDocumented: (node: Node) => boolean): Omit<Export, 'line'>[] {
  const isType = node['exportKind'] === 'type';
  const isReexport = Boolean(node['source']);
  if (node.type === 'ExportAllDeclaration') return [{ name: '*', isType, isReexport, hasDocstring: true }];
  if (node.type === 'ExportDefaultDeclaration') return [{ name: 'default', isType, isReexport, hasDocstring: isDocumented(node) }];
  const declaration = node['declaration'] as Node | null;
  if (declaration) {
    const isOverload = body.some(
      (other) => other.end <= node.start && other.type === node.type && sharesName(other['declaration'] as Node | null, declaration),
    );
    return namesOf(declaration).map((name) => ({ name, isType, isReexport, hasDocstring: isOverload || isDocumented(node) }));
  }
  return (node['specifiers'] as readonly Node[]).map((specifier) => {
    const local = nameOf(specifier['local']);
    const declared = body.find((other) => namesOf(other).includes(local));
    const hasDocstring = isReexport || declared === undefined || isDocumented(declared);
    return { name: nameOf(specifier['exported']), isType: isType || specifier['exportKind'] === 'type', isReexport, hasDocstring };
  });
}

function sharesName(one: Node | null, other: Node): boolean {
  return one !== null && namesOf(one).some((name) => namesOf(other).includes(name));
}

function nameOf(node: unknown): string {
  const named = node as Node;
  return String(named['name'] ?? named['value']);
}

function namesOf(declaration: Node): string[] {
  if (declaration.type === 'VariableDeclaration')
    return (declaration['declarations'] as readonly Node[]).flatMap((each) => declaredBy(each['id'] as Node));
  return declaration['id'] ? [nameOf(declaration['id'])] : [];
}

function dynamicImports(text: string): { readonly from: string; readonly offset: number }[] {
  return [...text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)].map((match) => ({ from: String(match[1]), offset: match.index }));
}

/** Fields under which an identifier names a member and not a variable. */
const MEMBER_FIELDS: Readonly<Record<string, readonly string[]>> = {
  MemberExpression: ['property'],
  TSQualifiedName: ['right'],
  Property: ['key'],
  MethodDefinition: ['key'],
  PropertyDefinition: ['key'],
  AccessorProperty: ['key'],
  TSPropertySignature: ['key'],
  TSMethodSignature: ['key'],
  TSAbstractMethodDefinition: ['key'],
  ImportSpecifier: ['imported'],
  ExportSpecifier: ['local', 'exported'],
  LabeledStatement: ['label'],
  BreakStatement: ['label'],
  ContinueStatement: ['label'],
  MetaProperty: ['meta', 'property'],
  TSNamedTupleMember: ['label'],
};
const DECLARING_FIELDS: readonly string[] = ['id', 'params', 'param', 'local', 'left'];

function globalsOf(program: Node, lineAt: (offset: number) => number): Map<string, number> {
  const declared = new Set<string>();
  const used = new Map<string, number>();
  walk(program, (node, key, parent) => {
    if (
      DECLARING_FIELDS.includes(key) &&
      /Declarat|Function|Import|Catch|Class|TypeParameter|Arrow/.test(parent.type) &&
      parent.type !== 'AssignmentExpression'
    ) {
      for (const name of declaredBy(node)) declared.add(name);
    }
    if (node.type !== 'Identifier') return;
    const isMember = MEMBER_FIELDS[parent.type]?.includes(key) === true && parent['computed'] !== true && parent['shorthand'] !== true;
    if (!isMember && !used.has(nameOf(node))) used.set(nameOf(node), node.start);
  });
  return new Map([...used].filter(([name]) => !declared.has(name)).map(([name, start]) => [name, lineAt(start)]));
}

/** The names a binding pattern declares; its type annotation and default values declare none. */
function declaredBy(pattern: Node): string[] {
  switch (pattern.type) {
    case 'Identifier':
      return [nameOf(pattern)];
    case 'ObjectPattern':
      return (pattern['properties'] as readonly Node[]).flatMap((each) => declaredBy((each['value'] ?? each['argument']) as Node));
    case 'ArrayPattern':
      return (pattern['elements'] as readonly (Node | null)[]).flatMap((each) => (each ? declaredBy(each) : []));
    case 'AssignmentPattern':
      return declaredBy(pattern['left'] as Node);
    case 'RestElement':
      return declaredBy(pattern['argument'] as Node);
    case 'TSParameterProperty':
      return declaredBy(pattern['parameter'] as Node);
    default:
      return [];
  }
}

function walk(node: Node, visit: (node: Node, key: string, parent: Node) => void): void {
  for (const [key, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child === null || typeof child !== 'object' || typeof child.type !== 'string') continue;
      visit(child as Node, key, node);
      walk(child as Node, visit);
    }
  }
}
