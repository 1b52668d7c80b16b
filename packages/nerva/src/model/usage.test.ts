import assert from 'node:assert/strict';
import test from 'node:test';
import { costUsd, totalTokens } from './usage.ts';

test('the total is input plus output, and unknown when either is', () => {
  assert.equal(totalTokens({ inputTokens: 7, outputTokens: 5, cachedInputTokens: 3, reasoningTokens: 2 }), 12);
  assert.equal(totalTokens({ inputTokens: 0, outputTokens: 0 }), 0);
  assert.equal(totalTokens({ inputTokens: null, outputTokens: 5 }), null);
  assert.equal(totalTokens({ inputTokens: 5, outputTokens: null }), null);
});

test('the cost is tokens times price per million, and unknown rather than zero', () => {
  const price = { inputUsd: 2, outputUsd: 8 };
  assert.equal(costUsd({ inputTokens: 1_000_000, outputTokens: 500_000 }, price), 6);
  assert.equal(costUsd({ inputTokens: 0, outputTokens: 0 }, price), 0);
  const cached = { inputTokens: 1_000_000, outputTokens: 0, cachedInputTokens: 600_000, cacheWriteTokens: 100_000 };
  assert.equal(costUsd(cached, price), 2, 'in full where their price is unknown');
  assert.equal(costUsd(cached, { ...price, cachedInputUsd: 0.5, cacheWriteUsd: 3 }), 1.2);
  assert.equal(costUsd({ inputTokens: 1, outputTokens: null }, price), null);
  assert.equal(costUsd({ inputTokens: 1, outputTokens: 1 }, undefined), null);
});
