import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { openBank as open, type Bank, type BankOptions } from '../../examples/01-settle/bank.ts';
import { parseLedger, readLedger, tally, type LedgerLine } from '../../examples/01-settle/ledger.ts';
import { bankClient } from '../../examples/01-settle/payments.ts';
import { startProgram } from '../../examples/01-settle/processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'nerva-settle-bank-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const banks: Bank[] = [];
after(() => Promise.all(banks.map((bank) => bank.close())));
async function openBank(options: BankOptions): Promise<Bank> {
  const bank = await open(options);
  banks.push(bank);
  return bank;
}
let ledgers = 0;
const ledgerFile = (): string => join(folder, `${++ledgers}.jsonl`);
const asking = (key: string, attempt = 1) => ({ key, attempt, by: 'test' });
const payment = (report: string, amountUsd = 10) => ({ report, to: 'DELTA', amountUsd });

test('the bank pays what it is asked, also twice under one key', async () => {
  const ledgerPath = ledgerFile();
  const bank = await openBank({ ledgerPath });
  const client = bankClient(bank.url, 'nerva');
  assert.equal((await client.pay(payment('r'), asking('k'))).receipt, 1);
  assert.equal((await client.pay(payment('r'), asking('k'))).receipt, 2);
  await client.close('c', asking('c'));
  await bank.close();
  assert.deepEqual(
    readLedger(ledgerPath).map(({ n, type, key }) => [n, type, key]),
    [
      [1, 'payment', 'k'],
      [2, 'payment', 'k'],
      [3, 'closing', 'c'],
    ],
  );
});

test('a fence says whether a key was paid and refuses its earlier attempts, also after a restart', async () => {
  const ledgerPath = ledgerFile();
  const bank = await openBank({ ledgerPath });
  const client = bankClient(bank.url, 'nerva');
  await client.pay(payment('r'), asking('a:b:1'));
  assert.deepEqual(await client.fence('a:b:1', 1), { paid: true });
  assert.deepEqual(await client.fence('unpaid', 2), { paid: false });
  await bank.close();
  const again = await openBank({ ledgerPath });
  const later = bankClient(again.url, 'nerva');
  await assert.rejects(later.pay(payment('s'), asking('unpaid', 2)), /409.*fenced/);
  assert.deepEqual(await later.fence('unpaid', 2), { paid: false });
  await later.pay(payment('s'), asking('unpaid', 3));
  assert.deepEqual(await later.fence('unpaid', 3), { paid: true });
  await again.close();
});

test('a payment and a fence that race never both win', async () => {
  const bank = await openBank({ ledgerPath: ledgerFile() });
  const client = bankClient(bank.url, 'nerva');
  for (let round = 0; round < 40; round++) {
    const key = `k${round}`;
    const pay = (): Promise<boolean> =>
      client.pay(payment(key), asking(key)).then(
        () => true,
        () => false,
      );
    const fence = (): Promise<boolean> => client.fence(key, 1).then(({ paid }) => paid);
    const [paid, saysPaid] = round % 2 === 0 ? await Promise.all([pay(), fence()]) : (await Promise.all([fence(), pay()])).toReversed();
    assert.equal(saysPaid, paid, key);
  }
  await bank.close();
});

test('a held payment is in the ledger and is not answered', async () => {
  const ledgerPath = ledgerFile();
  const held = Promise.withResolvers<string>();
  const bank = await openBank({ ledgerPath, onHeld: (line) => held.resolve(line.held) });
  const client = bankClient(bank.url, 'loop');
  await client.hold(2);
  await bankClient(bank.url, 'nerva').pay(payment('other'), asking('other'));
  await client.pay(payment('one'), asking('one'));
  const answered = client.pay(payment('two'), asking('two')).then(
    () => 'answered',
    () => 'broken',
  );
  assert.equal(await held.promise, 'two');
  assert.deepEqual(
    readLedger(ledgerPath).map((line) => line.key),
    ['other', 'one', 'two'],
  );
  await client.pay(payment('three'), asking('three'));
  await bank.close();
  assert.equal(await answered, 'broken');
});

test('the bank refuses what is not a payment and enters nothing', async () => {
  const ledgerPath = ledgerFile();
  const bank = await openBank({ ledgerPath });
  const status = async (path: string, body: string): Promise<number> =>
    (await fetch(`${bank.url}${path}`, { method: 'POST', body })).status;
  const good = { contender: 'nerva', key: 'k', attempt: 1, report: 'r', by: 'test', to: 'DELTA', amountUsd: 1 };
  for (const wrong of [
    { amountUsd: 0 },
    { amountUsd: -1 },
    { amountUsd: '1' },
    { amountUsd: null },
    { to: '' },
    { attempt: 0 },
    { key: 'k'.repeat(513) },
    { report: 7 },
  ]) {
    assert.equal(await status('/payments', JSON.stringify({ ...good, ...wrong })), 400, JSON.stringify(wrong));
  }
  assert.equal(await status('/payments', '{'), 400);
  assert.equal(await status('/payments', '[]'), 400);
  assert.equal(await status('/payments', JSON.stringify({ ...good, note: 'x'.repeat(70_000) })), 400);
  assert.equal(await status('/refunds', '{}'), 404);
  assert.equal((await fetch(`${bank.url}/payments/%E0%A4%A`)).status, 400);
  assert.deepEqual(readLedger(ledgerPath), []);
  await bank.close();
});

test('a bank killed at work has every payment that it acknowledged, and goes on', { timeout: 30_000 }, async () => {
  const ledgerPath = ledgerFile();
  const acknowledged = new Set<string>();
  for (let life = 0; life < 3; life++) {
    const program = startProgram('bank.ts', [ledgerPath]);
    const url = await new Promise<string>((resolve) => program.onLine((line) => resolve(String(line['url']))));
    const client = bankClient(url, 'nerva');
    const pay = (key: string): Promise<void> =>
      client.pay(payment(key), asking(key)).then(
        () => void acknowledged.add(key),
        () => undefined,
      );
    const all = Array.from({ length: 200 }, (_, index) => pay(`${life}-${index}`));
    await Promise.race(all);
    program.kill('SIGKILL');
    await Promise.all([...all, program.ended]);
    appendFileSync(ledgerPath, '{"n":99999,"type":"pay');
  }
  const bank = await openBank({ ledgerPath });
  await bank.close();
  const entered = new Set(readLedger(ledgerPath).map((line) => line.key));
  assert.ok(acknowledged.size >= 3);
  assert.deepEqual(
    [...acknowledged].filter((key) => !entered.has(key)),
    [],
  );
});

const line = (n: number, draft: Partial<LedgerLine>): LedgerLine => {
  return { n, atMs: 0, type: 'payment', contender: 'nerva', key: 'k', attempt: 1, report: 'r', by: 'test', ...draft };
};

test('any ledger cut at any byte loses only the line that was cut', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5 }), fc.nat(2_000), (count, cut) => {
      const texts = Array.from({ length: count }, (_, index) => `${JSON.stringify(line(index + 1, { report: `é${index}` }))}\n`);
      const whole = Buffer.from(texts.join(''));
      const { lines, bytes } = parseLedger(whole.subarray(0, cut));
      assert.ok(bytes <= cut && Math.min(cut, whole.length) - bytes < Buffer.byteLength(texts[0] ?? ' ') + 1);
      assert.deepEqual(
        lines.map(({ n }) => n),
        Array.from({ length: lines.length }, (_, index) => index + 1),
      );
      assert.equal(Buffer.byteLength(texts.slice(0, lines.length).join('')), bytes);
    }),
  );
});

test('a ledger with a damaged or missing line is refused by its number', async () => {
  const ledgerPath = ledgerFile();
  writeFileSync(ledgerPath, `${JSON.stringify(line(1, {}))}\n${JSON.stringify(line(3, {}))}\n`);
  await assert.rejects(openBank({ ledgerPath }), /line 2 is damaged/);
});

test('the table counts paid, paid twice, lost and repeated from a known ledger', () => {
  const pay = (report: string, amountUsd: number, contender = 'nerva') => ({ type: 'payment' as const, report, amountUsd, contender });
  const close = (report: string) => ({ type: 'closing' as const, report });
  const drafts = [
    pay('a', 0.1),
    pay('b', 0.2),
    pay('b', 0.2),
    pay('b', 0.2),
    pay('c', 5, 'loop'),
    close('d'),
    close('d'),
    close('e'),
    { type: 'fence' as const, report: '' },
  ];
  const lines = drafts.map((draft, index) => line(index + 1, draft));
  const due = new Set(['a', 'b', 'c']);
  assert.deepEqual(tally(lines, 'nerva', due), { paid: 2, paidUsd: 0.7, closed: 2, paidTwice: 1, paidTwiceUsd: 0.4, lost: 1, repeated: 3 });
  assert.deepEqual(tally(lines, 'loop', due), { paid: 1, paidUsd: 5, closed: 0, paidTwice: 0, paidTwiceUsd: 0, lost: 2, repeated: 0 });
});
