import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { compileSchema, NervaError, type Infer, type Json, type JsonObject, type Parsed } from './index.ts';

function parse(schema: JsonObject, value: unknown): Parsed<unknown> {
  const parsed = compileSchema(schema).parse(value);
  assert.ok(!(parsed instanceof Promise));
  return parsed;
}
const fits = (schema: JsonObject, value: unknown): boolean => parse(schema, value).ok;
function issues(schema: JsonObject, value: unknown): string {
  const parsed = parse(schema, value);
  return parsed.ok ? '' : parsed.issues;
}

/** Schema, values that fit, values that do not: the meaning of JSON Schema 2020-12, after its official test suite. */
const MEANING: [JsonObject, unknown[], unknown[]][] = [
  [{}, [1, null, 'x', [], {}], []],
  [{ type: 'integer' }, [1, 1.0, -0, 1e300], [1.5, '1', null, true, NaN]],
  [{ type: 'number' }, [1, 1.5], ['1', null, NaN, Infinity]],
  [{ type: ['string', 'null'] }, ['x', null], [0, false, [], {}]],
  [{ type: 'object' }, [{}], [[], null, 'x']],
  [{ type: 'array' }, [[]], [{}, null, { length: 0 }]],
  [{ type: 'boolean' }, [true, false], [0, 'true', null]],
  [{ const: { a: [1, { b: 2 }] } }, [{ a: [1, { b: 2 }] }], [{ a: [1, { b: 3 }] }, { a: 1 }, null]],
  [{ const: false }, [false], [0, null, '', []]],
  [{ enum: [1, 'a', null, [0]] }, [1, 1.0, 'a', null, [0]], [2, '1', [1], [], undefined]],
  [{ minimum: 1.1 }, [1.1, 2, 'text is ignored'], [0.6]],
  [{ maximum: 3 }, [3], [3.5]],
  [{ exclusiveMinimum: 1 }, [1.01], [1]],
  [{ exclusiveMaximum: 1 }, [0.99], [1]],
  [{ multipleOf: 0.0001 }, [0.0075, 0, 'x'], [0.00751]],
  [{ multipleOf: 2 }, [10, -4], [7, 2.5]],
  [{ multipleOf: 0.01 }, [4.35, 19.99, 1.1], [4.351]],
  [{ minLength: 2 }, ['fo', '😀😀', 3], ['f', '😀']],
  [{ maxLength: 2 }, ['fo', '😀😀'], ['foo', '😀😀😀']],
  [{ pattern: '^a*$' }, ['aaa', '', 1], ['abc']],
  [{ pattern: '^\\p{L}$' }, ['é'], ['1', 'éé']],
  [{ minItems: 1 }, [[0], ''], [[]]],
  [{ maxItems: 1 }, [[0], 'xx'], [[1, 2]]],
  [
    { uniqueItems: true },
    [
      [1, '1', true, { a: 1 }],
      [[1], ['1']],
    ],
    [
      [1, 1.0],
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
    ],
  ],
  [{ uniqueItems: false }, [[1, 1]], []],
  [{ items: { type: 'integer' } }, [[], [1, 2], { 0: 'x' }], [[1, 'x']]],
  [{ prefixItems: [{ type: 'integer' }, { type: 'string' }] }, [[1, 'a'], [1], [], [1, 'a', true]], [[1, 2], ['a']]],
  [{ prefixItems: [{}], items: false }, [[1], []], [[1, 2]]],
  [{ prefixItems: [{}], items: { type: 'integer' } }, [['x', 1]], [['x', 'x']]],
  [{ required: ['a'] }, [{ a: undefined }, { a: 1 }, [], 1], [{}, { b: 1 }]],
  [{ required: ['__proto__', 'toString'] }, [JSON.parse('{"__proto__": 1, "toString": 2}')], [{}, { toString: 1 }]],
  [{ properties: { a: { type: 'integer' }, toString: { type: 'string' } } }, [{ a: 1 }, {}, { b: 'x' }, []], [{ a: 'x' }, { toString: 1 }]],
  [{ properties: { a: {} }, additionalProperties: false }, [{ a: 1 }, {}], [{ a: 1, b: 2 }, { constructor: 1 }]],
  [{ properties: { a: {} }, additionalProperties: { type: 'boolean' } }, [{ a: 1, b: true }], [{ b: 1 }]],
  [{ allOf: [{ properties: { a: {} } }], additionalProperties: false }, [{}], [{ a: 1 }]],
  [{ propertyNames: { maxLength: 2 } }, [{ ab: 1 }, []], [{ abc: 1 }]],
  [{ minProperties: 1, maxProperties: 2 }, [{ a: 1 }, 'x'], [{}, { a: 1, b: 2, c: 3 }]],
  [{ allOf: [{ minimum: 1 }, { maximum: 3 }] }, [2], [0, 4]],
  [{ anyOf: [{ type: 'integer' }, { minimum: 2 }] }, [1, 2.5, 'x'], [1.5]],
  [{ oneOf: [{ type: 'integer' }, { minimum: 2 }] }, [1, 2.5], [3, 1.5]],
  [{ not: { type: 'integer' } }, ['x'], [1]],
  [{ not: {} }, [], [1, null]],
  [{ not: { not: { type: 'string' } } }, ['x'], [1]],
  [{ anyOf: [true, false] }, [1], []],
  [{ properties: { a: false } }, [{}, { b: 1 }], [{ a: 1 }]],
  [
    {
      $defs: { tree: { type: 'object', properties: { kids: { items: { $ref: '#/$defs/tree' } } }, additionalProperties: false } },
      $ref: '#/$defs/tree',
    },
    [{ kids: [{ kids: [] }, {}] }],
    [{ kids: [{ kid: [] }] }, 1],
  ],
  [{ properties: { next: { $ref: '#' } }, required: ['v'] }, [{ v: 1, next: { v: 2 } }], [{ v: 1, next: {} }]],
  [{ definitions: { 'a/b~c': { type: 'null' } }, items: { $ref: '#/definitions/a~1b~0c' } }, [[null]], [[1]]],
  [{ $ref: '#/$defs/a', maximum: 3, $defs: { a: { type: 'number' } } }, [3], [4, 'x']],
  [{ format: 'email', default: 1, title: 't', examples: [], description: 'd' }, ['not an email, for a format is an annotation', 5], []],
];

test('every keyword means what JSON Schema says', () => {
  for (const [schema, good, bad] of MEANING) {
    for (const value of good)
      assert.ok(fits(schema, value), `${JSON.stringify(schema)} refuses ${JSON.stringify(value)}: ${issues(schema, value)}`);
    for (const value of bad) assert.ok(!fits(schema, value), `${JSON.stringify(schema)} takes ${JSON.stringify(value)}`);
  }
});

test('a keyword that is not checked is refused at definition, with its path', () => {
  const cases: [JsonObject, string, string][] = [
    [{ type: 'object', properties: { a: { minContains: 1 } } }, 'minContains', '$.properties.a'],
    [{ items: { nullable: true } }, 'nullable', '$.items'],
    [{ anyOf: [{}, { if: {} }] }, 'if', '$.anyOf[1]'],
    [{ $defs: { a: { dependentRequired: {} } }, $ref: '#/$defs/a' }, 'dependentRequired', '$["$defs"].a'],
    [{ patternProperties: {} }, 'patternProperties', '$'],
    [{ constructor: {} } as unknown as JsonObject, 'constructor', '$'],
    [{ unevaluatedProperties: false }, 'unevaluatedProperties', '$'],
  ];
  for (const [schema, keyword, path] of cases) {
    assert.throws(
      () => compileSchema(schema),
      (error) => NervaError.is(error, 'SCHEMA_UNSUPPORTED') && error.details['keyword'] === keyword && error.details['path'] === path,
      JSON.stringify(schema),
    );
  }
});

test('a malformed operand is refused at definition', () => {
  const cases: JsonObject[] = [
    { type: 'text' },
    { type: [] },
    { type: 5 },
    { enum: [] },
    { enum: 'a' },
    { minimum: '1' },
    { minLength: -1 },
    { maxItems: 1.5 },
    { multipleOf: 0 },
    { pattern: '(' },
    { pattern: 5 },
    { uniqueItems: 1 },
    { required: 'a' },
    { required: [1] },
    { properties: [] },
    { properties: { a: 5 } },
    { items: [{}] },
    { prefixItems: {} },
    { prefixItems: [] },
    { anyOf: [] },
    { anyOf: {} },
    { not: 1 },
    { $ref: '#/$defs/none' },
    { $ref: 'https://x.org/s' },
    { $ref: '#/properties/a' },
    { $ref: 5 },
    { format: 'shiny' },
  ];
  for (const schema of cases)
    assert.throws(
      () => compileSchema(schema),
      (error) => NervaError.is(error, 'SCHEMA_UNSUPPORTED'),
      JSON.stringify(schema),
    );
  for (const schema of [null, 5, 'x', [], undefined])
    assert.throws(
      () => compileSchema(schema as unknown as JsonObject),
      (error) => NervaError.is(error, 'SCHEMA_UNSUPPORTED'),
    );
});

test('a reference that leads back to itself without entering the value is refused', () => {
  for (const schema of [
    { $ref: '#' },
    { anyOf: [{ type: 'null' }, { $ref: '#' }] },
    { $defs: { a: { $ref: '#/$defs/b' }, b: { allOf: [{ $ref: '#/$defs/a' }] } }, $ref: '#/$defs/a' },
    { $defs: { a: { not: { $ref: '#/$defs/a' } } }, items: { $ref: '#/$defs/a' } },
  ]) {
    assert.throws(() => compileSchema(schema), /without entering the value/);
  }
});

test('issues tell a model the path, what came and what was expected', () => {
  const schema = {
    type: 'object',
    properties: {
      city: { type: 'string' },
      days: { type: 'integer', minimum: 1 },
      unit: { enum: ['C', 'F'] },
      stops: { type: 'array', items: { type: 'object', required: ['at'] } },
    },
    required: ['city'],
    additionalProperties: false,
  };
  assert.equal(
    issues(schema, { citty: 'Rome', days: 0, unit: 'K', stops: [{ at: 1 }, {}] }),
    [
      '$: lacks "city" (string)',
      '$.days: came 0, expected at least 1',
      '$.unit: came "K", expected one of "C", "F"',
      '$.stops[1]: lacks "at"',
      '$: has an unknown property "citty"; did you mean "city"?',
    ].join('\n'),
  );
  assert.equal(issues(schema, 'Rome'), '$: came "Rome", expected object');
});

test('no complaint misleads: a value of another kind gets one, and what may not fit leaves none', () => {
  assert.equal(issues({ enum: ['a'], pattern: '^a$' }, 'b'), '$: came "b", expected "a"');
  assert.equal(issues({ not: { type: 'string' }, minimum: 5 }, 1), '$: came 1, expected at least 5');
});

test('alternatives are told in one line when they differ only in what is expected, else the nearest form speaks', () => {
  assert.equal(issues({ anyOf: [{ type: 'string' }, { type: 'null' }] }, 5), '$: came 5, expected string or null');
  const shape = (kind: string, field: string): JsonObject => ({
    type: 'object',
    properties: { kind: { const: kind }, [field]: { type: 'number' } },
    required: ['kind', field],
  });
  const shapes = { oneOf: [shape('circle', 'radius'), shape('square', 'side')] };
  assert.equal(
    issues(shapes, { kind: 'square', radius: 1 }),
    '$: an object with kind, radius fits none of 2 forms; form 2 is nearest:\n$: lacks "side" (number)',
  );
  assert.equal(issues(shapes, { kind: 'hexagon', radius: 1, side: 2 }), '$.kind: came "hexagon", expected "circle" or "square"');
  assert.match(issues({ oneOf: [{}, {}] }, 1), /fits forms 1 and 2 of 2, expected exactly one/);
});

test('issues are bounded in number and length', () => {
  const many = issues(
    { items: { type: 'string' } },
    Array.from({ length: 100_000 }, (_, i) => i),
  );
  assert.equal(many.split('\n').length, 9);
  // The rest of the list was not looked at.
  assert.match(many, /and at least 1 more$/);
  assert.ok(issues({ type: 'number' }, 'x'.repeat(1_000_000)).length < 300);
  assert.ok(issues({ additionalProperties: false }, { ['k'.repeat(100_000)]: 1 }).length < 300);
});

test('a check that would cost too much ends, and the value does not fit', () => {
  const twice = {
    $defs: {
      a: {
        anyOf: [
          { properties: { x: { $ref: '#/$defs/a' } }, required: ['y'] },
          { properties: { x: { $ref: '#/$defs/a' } }, required: ['z'] },
        ],
      },
    },
    $ref: '#/$defs/a',
  };
  let value: Json = {};
  for (let i = 0; i < 60; i++) value = { x: value };
  assert.match(issues(twice, value), /more than 1000000 checks/);
  let deep: Json = [];
  for (let i = 0; i < 5000; i++) deep = [deep];
  assert.match(issues({ items: { $ref: '#' } }, deep), /levels deep/);
  assert.match(issues({ not: { items: { $ref: '#' } } }, deep), /levels deep/);
  assert.match(issues({ pattern: 'a' }, 'a'.repeat(70_000)), /at most 65536 characters/);
});

test('values that are no JSON do not fit where they are compared, and nothing throws', () => {
  assert.match(issues({ uniqueItems: true }, [{ a: 1n }, { a: 1n }]), /canonical/);
  assert.ok(!fits({ type: 'object' }, () => 1));
  assert.ok(!fits({ enum: [{ a: 1 }] }, { a: NaN }));
});

test('changing the schema afterwards changes nothing, and what is shown is frozen', () => {
  const schema = { type: 'object', required: ['a'] };
  const compiled = compileSchema(schema);
  schema.required.push('b');
  assert.deepEqual(compiled.jsonSchema, { type: 'object', required: ['a'] });
  assert.ok(Object.isFrozen(compiled.jsonSchema['required']));
  assert.ok(!Object.isFrozen(schema));
});

const schemas = fc.letrec<{ node: [JsonObject, fc.Arbitrary<Json>] }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant<[JsonObject, fc.Arbitrary<Json>]>([{ type: 'boolean' }, fc.boolean()]),
    fc
      .tuple(fc.integer({ min: -50, max: 50 }), fc.nat(50))
      .map(([min, span]): [JsonObject, fc.Arbitrary<Json>] => [
        { type: 'integer', minimum: min, maximum: min + span },
        fc.integer({ min, max: min + span }),
      ]),
    fc
      .nat(8)
      .map((max): [JsonObject, fc.Arbitrary<Json>] => [{ type: 'string', maxLength: max }, fc.string({ unit: 'binary', maxLength: max })]),
    fc
      .uniqueArray(fc.integer(), { minLength: 1, maxLength: 5 })
      .map((values): [JsonObject, fc.Arbitrary<Json>] => [{ enum: values }, fc.constantFrom(...values)]),
    tie('node').map(([schema, values]): [JsonObject, fc.Arbitrary<Json>] => [
      { type: 'array', items: schema, maxItems: 4 },
      fc.array(values, { maxLength: 4 }),
    ]),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', '__x'), tie('node'), { minKeys: 1 }).map((members): [JsonObject, fc.Arbitrary<Json>] => [
      {
        type: 'object',
        properties: Object.fromEntries(Object.entries(members).map(([key, [schema]]) => [key, schema])),
        required: Object.keys(members).slice(0, 1),
        additionalProperties: false,
      },
      fc.record(Object.fromEntries(Object.entries(members).map(([key, [, values]]) => [key, values])), {
        requiredKeys: Object.keys(members).slice(0, 1),
      }) as fc.Arbitrary<Json>,
    ]),
    fc.tuple(tie('node'), tie('node')).map(([[one, values], [two]]): [JsonObject, fc.Arbitrary<Json>] => [{ anyOf: [two, one] }, values]),
  ),
}));

test('any value made from a schema fits it, and not its negation', () => {
  fc.assert(
    fc.property(
      schemas.node.chain(([schema, values]) => fc.tuple(fc.constant(schema), values)),
      ([schema, value]) => {
        assert.ok(fits(schema, value), issues(schema, value));
        assert.ok(!fits({ not: schema }, value));
        assert.ok(fits({ allOf: [schema, { anyOf: [false, schema] }] }, value));
      },
    ),
  );
});

test('any value is judged by a schema as zod judges it', () => {
  fc.assert(
    fc.property(
      schemas.node.chain(([schema, values]) =>
        fc.tuple(
          fc.constant(schema),
          fc.oneof(
            values,
            schemas.node.chain(([, others]) => others),
            fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
          ),
        ),
      ),
      ([schema, value]) => {
        // Zod counts UTF-16 units where JSON Schema counts code points, and refuses integers beyond 2^53.
        fc.pre(!/[\ud800-\udfff]|\\ud|e\+|__proto__|\d{16}/.test(JSON.stringify(value)));
        assert.equal(
          fits(schema, value),
          z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(value).success,
          `${JSON.stringify(schema)} of ${JSON.stringify(value)}`,
        );
      },
    ),
    { numRuns: 300 },
  );
});

test('a Standard Schema parses, transforms and shows its input as JSON Schema', () => {
  const compiled = compileSchema(z.object({ n: z.string().transform(Number), tag: z.string().default('x') }));
  assert.deepEqual(compiled.parse({ n: '5' }), { ok: true, value: { n: 5, tag: 'x' } });
  assert.deepEqual(compiled.jsonSchema, {
    type: 'object',
    properties: { n: { type: 'string' }, tag: { default: 'x', type: 'string' } },
    required: ['n'],
  });
  const bad = compiled.parse({ n: 5 });
  assert.ok(!(bad instanceof Promise) && !bad.ok);
  assert.equal(bad.issues, '$.n: Invalid input: expected string, received number (came 5)');
});

test('an asynchronous Standard Schema gives a promise, and one that throws gives issues', async () => {
  const later = compileSchema(z.object({ a: z.string().refine(async (text) => Promise.resolve(text === 'yes')) }));
  // Zod throws when asked synchronously and answers with a promise through the standard.
  assert.deepEqual(await later.parse({ a: 'yes' }), { ok: true, value: { a: 'yes' } });
  const refused = await later.parse({ a: 'no' });
  assert.ok(!refused.ok);
  const broken = compileSchema(
    z.string().refine(() => {
      throw new Error('boom');
    }),
  );
  const outcome = await broken.parse('x');
  assert.ok(!outcome.ok && outcome.issues.includes('boom'));
});

test('a library that cannot write JSON Schema still validates, and says so when asked to write', () => {
  const handmade = {
    '~standard': {
      version: 1 as const,
      vendor: 'hand',
      validate: (value: unknown) => (value === 1 ? { value: 'one' } : { issues: [{ message: 'not one', path: ['a', { key: 0 }] }] }),
    },
  };
  const compiled = compileSchema(handmade);
  assert.deepEqual(compiled.parse(1), { ok: true, value: 'one' });
  assert.deepEqual(compiled.parse({ a: [7] }), { ok: false, issues: '$.a[0]: not one (came 7)' });
  assert.throws(
    () => compiled.jsonSchema,
    (error) => NervaError.is(error, 'SCHEMA_UNSUPPORTED') && error.message.includes('"hand"'),
  );
  assert.throws(
    () => compileSchema(z.object({ at: z.date() })).jsonSchema,
    (error) => NervaError.is(error, 'SCHEMA_UNSUPPORTED'),
  );
});

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const claim = <T extends true>(): T | undefined => undefined;

test('types follow the schema', () => {
  const SCHEMA = {
    type: 'object',
    properties: {
      a: { type: 'string' },
      b: { type: 'array', items: { enum: [1, 2] } },
      c: { anyOf: [{ type: 'null' }, { type: 'integer' }] },
    },
    required: ['a'],
  } as const;
  type Read = Infer<typeof SCHEMA>;
  claim<Same<Read['a'], string>>();
  claim<Same<Read['b'], readonly (1 | 2)[] | undefined>>();
  claim<Same<Read['c'], number | null | undefined>>();
  const zod = z.object({ n: z.string().transform(Number) });
  claim<Same<Infer<typeof zod>, { n: number }>>();
  claim<Same<Infer<JsonObject>, unknown>>();
  // @ts-expect-error a property that is required must be there
  const missing: Read = {};
  // @ts-expect-error no other value than those of the enum
  const other: Read = { a: '', b: [3] };
  assert.ok(missing !== other);
});
