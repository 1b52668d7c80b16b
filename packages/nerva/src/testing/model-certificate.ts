import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why a certificate cannot be made here, or false. */
export const noOpenssl: string | false =
  spawnSync('openssl', ['version']).error === undefined ? false : 'SKIPPED: openssl is not installed here, so no certificate can be made';

let made: { readonly key: string; readonly cert: string } | undefined;

/** A key and a certificate for 127.0.0.1 that nobody signed, in PEM; made once a process. */
export function selfSigned(): { readonly key: string; readonly cert: string } {
  if (made !== undefined) return made;
  const folder = mkdtempSync(join(tmpdir(), 'nerva-tls-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const how =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1,DNS:provider.test';
    const { status, stderr } = spawnSync('openssl', [...how.split(' '), '-keyout', key, '-out', cert]);
    if (status !== 0) throw new Error(`openssl made no certificate: ${String(stderr)}`);
    return (made = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
