import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { needsOf, TASKS, taskOf, type Task } from './task.ts';

const PROMPTS: readonly (readonly [Task, string])[] = [
  ['code', 'Fix the bug in this function:\n```ts\nconst a = 1;\n```'],
  ['code', 'Write a Python script that renames files.'],
  ['code', 'Please refactor this class and add unit tests.'],
  ['code', 'Why does `git rebase` give me this stack trace?'],
  ['code', 'SELECT name FROM users WHERE id = 1;  -- why is this slow?'],
  ['math', 'Solve the equation x^2 - 5x + 6 = 0.'],
  ['math', 'What is the integral of sin(x)?'],
  ['math', 'Prove that the sum of two odd numbers is even.'],
  ['math', 'What is 17 * 23?'],
  ['math', 'A train leaves at noon. What is the probability that it is late?'],
  ['analysis', 'Compare PostgreSQL and MySQL for our use case; pros and cons please.'],
  ['analysis', 'Analyse why sales fell in March.'],
  ['analysis', 'What are the risks of this contract, and should we sign?'],
  ['creative', 'Write a poem about the sea.'],
  ['creative', 'Tell me a story about a dragon.'],
  ['creative', 'Brainstorm ten names for my coffee shop.'],
  ['summarization', 'Summarize this article in three sentences.'],
  ['summarization', 'TL;DR of the thread below, please.'],
  ['summarization', 'What are the key points of this meeting?'],
  ['extraction', 'Extract all dates from the text below.'],
  ['extraction', 'List all email addresses as JSON.'],
  ['extraction', 'Classify each ticket as bug or wish.'],
  ['translation', 'Translate this letter into French.'],
  ['translation', 'Translate this Python error message.'],
  ['translation', 'How do you say "thank you" in Japanese?'],
  ['chat', 'Hello, how are you?'],
  ['chat', 'Please refund order 7.'],
  ['chat', 'What is the capital of Portugal?'],
  ['chat', ''],
];

for (const [task, prompt] of PROMPTS)
  test(`“${prompt.slice(0, 60).replaceAll('\n', ' ')}” asks for ${task}`, () => assert.equal(taskOf(prompt), task));

test('each of the eight tasks is among the examples and needs what it says of a model', () => {
  assert.deepEqual(new Set(PROMPTS.map(([task]) => task)), new Set(TASKS));
  assert.equal(TASKS.length, 8);
  assert.deepEqual(
    TASKS.map((task) => Object.keys(needsOf(task)).join('+')),
    ['code+reasoning', 'math+reasoning', 'analysis+reasoning', 'creative', 'efficient', 'json_output', 'multilingual', ''],
  );
});

test('what lies between the beginning and the end of a long prompt is its material and decides nothing', () => {
  const material = 'The poem says: extract, translate, prove. '.repeat(500);
  const plain = 'x '.repeat(1_000);
  assert.equal(taskOf(`${plain}${material}${plain}`), 'chat');
  assert.equal(taskOf(`Summarize this.\n${plain}${material}${plain}`), 'summarization');
  assert.equal(taskOf(`${plain}${material}${plain}\nSummarize the text above.`), 'summarization');
});

test('any prompt has one of the eight tasks, in time that does not depend on what it says', () => {
  fc.assert(fc.property(fc.string({ maxLength: 300, unit: 'binary' }), (prompt) => TASKS.includes(taskOf(prompt))));
  for (const hostile of [
    'write '.repeat(100_000),
    'solve '.repeat(100_000),
    `${'list all '.repeat(50_000)}x`,
    'which a b '.repeat(50_000),
  ]) {
    const start = performance.now();
    taskOf(hostile);
    assert.ok(performance.now() - start < 200, hostile.slice(0, 10));
  }
});
