import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const LEDGER = 'ledger.txt';

/** The outside: a bank that writes each payment to its ledger, once for each key, and takes a moment to say so. */
export async function payOnce({ invoice, usd, key }: { invoice: string; usd: number; key: string }): Promise<{ paid: number }> {
  const known = existsSync(LEDGER) ? readFileSync(LEDGER, 'utf8') : '';
  if (!known.split('\n').some((line) => line.startsWith(`${key} `))) appendFileSync(LEDGER, `${key} ${invoice} ${usd}\n`);
  await pause(50); // whoever is killed here has paid and does not know it
  return { paid: usd };
}
