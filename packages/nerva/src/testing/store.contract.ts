import { describe, test } from 'node:test';
import { appendLaws } from './store-append.contract.ts';
import { forkLaws } from './store-fork.contract.ts';
import type { Law, MakeStore } from './store-harness.ts';
import { keepingLaws } from './store-keeping.contract.ts';
import { readingLaws } from './store-reading.contract.ts';
import { tenantLaws } from './store-tenant.contract.ts';
import { traceLaws } from './store-trace.contract.ts';
import { workLaws } from './store-work.contract.ts';

/**
 * Registers the laws of the store port (S1–S7 and every clause of its docstrings) as tests of `node:test` under `name`.
 * Laws that need `reopen` or `tamper` are left out where the adapter has none.
 */
export function storeContract(name: string, make: MakeStore): void {
  const law: Law = (title, body, options = {}) =>
    void test(title, async () => {
      const harness = await make(options);
      try {
        await body(harness);
      } finally {
        await harness.cleanup?.();
      }
    });
  void describe(name, () => {
    for (const laws of [appendLaws, readingLaws, forkLaws, workLaws, tenantLaws, keepingLaws, traceLaws]) laws(law);
  });
}
