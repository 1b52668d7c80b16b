import { Buffer } from 'node:buffer';

/** A JSON object that nobody has checked. */
export type Loose = Readonly<Record<string, unknown>>;

/** The fields of a GenerateContentRequest and of what is in it, by https://ai.google.dev/api/generate-content (2026-11). Unknown ones are refused there, too. */
const FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
  '': words('contents tools toolConfig safetySettings systemInstruction generationConfig cachedContent serviceTier store'),
  generationConfig: words(
    'stopSequences responseMimeType responseSchema responseJsonSchema responseFormat responseModalities candidateCount maxOutputTokens temperature topP topK seed ' +
      'presencePenalty frequencyPenalty responseLogprobs logprobs enableEnhancedCivicAnswers speechConfig thinkingConfig imageConfig mediaResolution',
  ),
  thinkingConfig: words('includeThoughts thinkingBudget thinkingLevel'),
  content: words('role parts'),
  part: words(
    'text inlineData fileData functionCall functionResponse executableCode codeExecutionResult toolCall toolResponse thought thoughtSignature partMetadata videoMetadata mediaResolution',
  ),
  inlineData: words('mimeType data'),
  fileData: words('mimeType fileUri'),
  functionCall: words('id name args'),
  functionResponse: words('id name response parts scheduling willContinue'),
  functionDeclaration: words('name description behavior parameters parametersJsonSchema response responseJsonSchema'),
  tool: words('functionDeclarations googleSearchRetrieval codeExecution googleSearch computerUse urlContext fileSearch googleMaps'),
  toolConfig: words('functionCallingConfig retrievalConfig includeServerSideToolInvocations'),
  functionCallingConfig: words('mode allowedFunctionNames'),
};
/** What a function may be called. */
export const GOOGLE_NAME = /^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$/;

/** What the mock signs a part of this model with. */
export function signatureFor(model: string, what: string): string {
  return Buffer.from(`mock:${model}:${what}`).toString('base64');
}

/** Gemini 3 and later sign calls and want the signatures back. */
export function isSigned(model: string): boolean {
  return Number(/gemini-(\d+)/.exec(model)?.[1] ?? 0) >= 3;
}

/** True for text that is base64 and nothing else. */
export function isBase64(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && Buffer.from(value, 'base64').toString('base64') === value;
}

/** Why an object is refused for a field that its kind does not have, or null. */
export function unknownIn(object: Loose, where: string): string | null {
  const unknown = Object.keys(object).find((name) => FIELDS[where]?.has(name) !== true);
  return unknown === undefined ? null : `Invalid JSON payload received. Unknown name "${unknown}" at '${where}': Cannot find field.`;
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(' '));
}

/** True for a JSON object. */
export function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
