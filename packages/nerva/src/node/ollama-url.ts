const OLLAMA_URL = 'http://127.0.0.1:11434';

/**
 * Where an Ollama is: `OLLAMA_BASE_URL`, else `OLLAMA_HOST` by its makers' rule (getOllamaHost in envconfig/config.go, github.com/ollama/ollama,
 * read November 2026): with no scheme the port is 11434 unless it says another. An address that only a server can have, 0.0.0.0, is this machine.
 */
export function ollamaUrl({ OLLAMA_BASE_URL: url = '', OLLAMA_HOST: host = '' }: Readonly<Record<string, string | undefined>>): string {
  if (url !== '') return withScheme(url);
  const given = host.trim().replace(/^["']|["']$/g, '');
  if (given === '') return OLLAMA_URL;
  const here = withScheme(given)
    .replace(/^(https?:\/\/)0\.0\.0\.0(?=[:/]|$)/, '$1127.0.0.1')
    .replace(/^(https?:\/\/)\[::\]/, '$1[::1]')
    .replace(/\/+$/, '');
  return given.includes('://') || /:\d+$/.test(here) ? here : `${here}:11434`;
}

const withScheme = (given: string): string => (/^https?:\/\//.test(given) ? given : `http://${given}`);
