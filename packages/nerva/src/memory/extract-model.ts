import { NervaError, utf8Bytes } from '../core/index.ts';
import type { Model } from '../model/index.ts';
import { ITEM_CHARS_MAX, ITEM_RELATIONS, ITEMS_MAX, type DerivedItem, type ItemRelation } from './derived.ts';
import { isRecord } from './derived-read.ts';
import { ENTRY_KINDS, type EntryKind } from './kinds.ts';
import { distinct, EXTRACT_BYTES_MAX, onlyNote, type Extractor } from './extract.ts';
import { isPronoun } from './extract-people.ts';
import { askForJson } from './model-json.ts';

/** What a model is told that takes a text apart. */
export const EXTRACT_INSTRUCTIONS = `You take a remembered text apart. List the entities that it names: each once, by the words that stand in the text, never a pronoun.
Types: ${ENTRY_KINDS.join(', ')}. Relations between two of them, by their names: ${ITEM_RELATIONS.join(', ')}.
Confidence: 0.9 or more for what is said, 0.5 to 0.8 for what only follows. Leave out what is not in the text.
Answer with JSON: {"entities": [{"name": "…", "type": "…", "confidence": 0.9}], "relations": [{"from": "…", "to": "…", "type": "…", "confidence": 0.9}]}.`;
const NUMBER = { type: 'number' } as const;
const TEXT = { type: 'string' } as const;
const SCHEMA = {
  type: 'object',
  properties: {
    entities: {
      type: 'array',
      items: {
        type: 'object',
        properties: { name: TEXT, type: TEXT, confidence: NUMBER },
        required: ['name', 'type', 'confidence'],
        additionalProperties: false,
      },
    },
    relations: {
      type: 'array',
      items: {
        type: 'object',
        properties: { from: TEXT, to: TEXT, type: TEXT, confidence: NUMBER },
        required: ['from', 'to', 'type', 'confidence'],
        additionalProperties: false,
      },
    },
  },
  required: ['entities', 'relations'],
  additionalProperties: false,
} as const;
/** Of what is said without one. */
const CONFIDENCE = 0.5;

/**
 * An extractor that asks a model for entities and relations. Its answer is data: of an unknown type it is a note, of an unknown relation
 * `relates_to`, at most 50 of each; a place is given only where the words stand exactly in the text. Without an answer that can be used there is a
 * note that says how the text begins; it throws only what the model throws when `signal` aborted. `by`: default `model@1`; give another version
 * with another model, and all is made anew.
 */
export function modelExtractor(model: Model, { by = 'model@1' }: { readonly by?: string } = {}): Extractor {
  return {
    by,
    extract: async (text, { world, signal }) => {
      try {
        const bytes = utf8Bytes(text);
        if (bytes > EXTRACT_BYTES_MAX)
          throw new NervaError('MEMORY_TOO_LARGE', `A text of ${bytes} bytes came; ${EXTRACT_BYTES_MAX} is the limit. It was not sent.`);
        const texts = [{ name: 'text', text }];
        const answer = await askForJson({ model, instructions: EXTRACT_INSTRUCTIONS, schema: SCHEMA, texts, world, signal });
        const items = itemsOf(answer, text);
        if (items.length > 0) return { items, relations: relationsOf(answer, items), failure: null };
        throw new NervaError('MODEL_GARBAGE', `${model.name} named nothing that is in the text. A note was made of it.`);
      } catch (error) {
        if (signal?.aborted === true) throw error;
        // An answer that cannot be used will be no better, but one that did not come may.
        return { ...onlyNote(text, error), isLater: NervaError.is(error) && error.retry && error.code !== 'MODEL_GARBAGE' };
      }
    },
  };
}

function itemsOf(answer: unknown, text: string): readonly DerivedItem[] {
  const listed = isRecord(answer) ? answer['entities'] : answer;
  if (!Array.isArray(listed)) return [];
  const items = listed.flatMap((one: unknown): readonly DerivedItem[] => {
    const name = isRecord(one) ? nameOf(one['name']) : null;
    if (!isRecord(one) || name === null || isPronoun(name)) return [];
    const type = one['type'] as EntryKind;
    const start = text.indexOf(name);
    const place = start < 0 ? { start: null, end: null } : { start, end: start + name.length };
    return [{ type: ENTRY_KINDS.includes(type) ? type : 'note', name, ...place, confidence: shareOf(one['confidence']) }];
  });
  return distinct(items).slice(0, ITEMS_MAX);
}

/** Only between what was named, and not of a thing with itself. */
function relationsOf(answer: unknown, items: readonly DerivedItem[]): readonly ItemRelation[] {
  const listed = isRecord(answer) ? answer['relations'] : null;
  if (!Array.isArray(listed)) return [];
  const names = new Map(items.map(({ name }) => [name.toLowerCase(), name]));
  const found = listed.flatMap((one: unknown): readonly ItemRelation[] => {
    if (!isRecord(one)) return [];
    const from = names.get(nameOf(one['from'])?.toLowerCase() ?? '');
    const to = names.get(nameOf(one['to'])?.toLowerCase() ?? '');
    if (from === undefined || to === undefined || from === to) return [];
    const type = one['type'] as ItemRelation['type'];
    return [{ from, to, type: ITEM_RELATIONS.includes(type) ? type : 'relates_to', confidence: shareOf(one['confidence']) }];
  });
  return Array.from(new Map(found.map((one) => [JSON.stringify([one.from, one.to, one.type]), one])).values()).slice(0, ITEMS_MAX);
}

function nameOf(name: unknown): string | null {
  const trimmed = typeof name === 'string' ? name.trim() : '';
  return trimmed === '' || trimmed.length > ITEM_CHARS_MAX ? null : trimmed;
}

/** Between 0 and 1, whatever a model says. */
export function shareOf(confidence: unknown): number {
  return typeof confidence === 'number' && Number.isFinite(confidence) ? Math.min(1, Math.max(0, confidence)) : CONFIDENCE;
}
