import { porter } from './porter.ts';

/** Words that nearly every text holds: they tell nothing apart. */
const STOP: ReadonlySet<string> = new Set(
  `a about above after again against all also am an and any are as at be because been before being below between both but by can could did do
  does doing don down during each either else ever few for from further had has have having he her here hers herself hey hi him himself his
  how hello i if in into is it its itself just let like ll m me might more most much must my myself no nor not now of off oh ok okay on once
  only or other our ours ourselves out over own re really same shall she should so some such t than thank thanks that the their theirs them
  themselves then there these they this those though through to too under until up us ve very was we well were what when where which while
  who whom whose why will with would wow yeah yes you your yours yourself yourselves get gets getting got gonna d s aren couldn didn doesn
  hadn hasn haven isn shouldn wasn weren won wouldn`.split(/\s+/),
);

/** Forms that no rule of suffixes brings together, `form form … base`. */
const IRREGULAR: ReadonlyMap<string, string> = new Map(
  `went gone goes go,bought buy,brought bring,thought think,taught teach,caught catch,told tell,said say,made make,took taken take,gave given
  give,saw seen see,met meet,felt feel,kept keep,left leave,lost lose,wrote written write,ran run,began begun begin,came come,became become,knew
  known know,grew grown grow,drew drawn draw,flew flown fly,drove driven drive,rode ridden ride,spoke spoken speak,broke broken break,chose
  chosen choose,ate eaten eat,drank drunk drink,sang sung sing,swam swum swim,slept sleep,spent spend,sent send,built build,found find,held
  hold,heard hear,sold sell,stood stand,understood understand,sat sit,paid pay,led lead,fell fallen fall,wore worn wear,hung hang,threw thrown
  throw,forgot forgotten forget,woke wake,stole stolen steal,hid hidden hide,shot shoot,fought fight,sought seek,meant mean,dealt deal,dreamt
  dream,learnt learn,burnt burn,bitten bite,blew blow,shook shake,rose rise,shown show,children child,kids kid,men man,women woman,people
  person,feet foot,mice mouse,teeth tooth,wives wife,knives knife,better best good,mom mum mother,dad father,married
  marriage marry,died death die,pic pics picture pictures photo,fam
  family,fav fave favourite favorite,fest festival,biz business,vid vids video,convo conversation,info information,bday birthday,ppl person,
  hubby husband,bro brother,sis sister,grandma granny nana grandmother,grandpa granddad grandfather,bf boyfriend,gf girlfriend,bff friend,
  vacay vacation,uni university,prof professor,meds medicine,fridge refrigerator,tv television,pup puppy,kiddo kiddos kid child,comp comps competition,
  rehab rehabilitation,veggie veggies vegetable,exam examination,bike bicycle,phone telephone,plane airplane,tmrw tmr tomorrow,
  decision decide,choice choose,gift give,speech speak,flight fly,loss lose,growth grow,strength strong,description describe,conclusion conclude,
  division divide,response respond,permission permit,admission admit,submission submit,extension extend,intention intend,solution solve,
  introduction introduce,production produce,reduction reduce,destruction destroy,succeed succeeded success,belief believe,proof prove,
  advice advise`
    .split(',')
    .flatMap((row) => {
      const forms = row.trim().split(/\s+/);
      const base = forms.pop() ?? '';
      return forms.map((form) => [form, base] as const);
    }),
);

/** Of stems that were found: texts repeat their words. Only short words are kept, for a longer one would keep the text that it was cut from. */
const STEMS_MAX = 50_000;
const STEM_WORD_MAX = 12;
const stems = new Map<string, string>();

/** Accents and the points of Hebrew, but not what makes か into が, nor the vowels that Indic scripts write as marks. */
const ACCENTS = /(?:(?![\u3099\u309a])\p{Script=Inherited}|[\u0591-\u05c7])+/gu;

/** Words of a text in its order: letters and digits of any script, lower case, without accents and without the `'s` of a possessive. O(length). */
export function words(text: string): readonly string[] {
  // oxlint-disable-next-line no-control-regex -- all of ASCII is what needs no more
  const plain = /^[\0-\x7f]*$/.test(text) ? text.toLowerCase() : text.normalize('NFKD').toLowerCase().replace(ACCENTS, '').normalize('NFC');
  return plain.replace(/['’]s\b/g, '').match(/[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu) ?? [];
}

/** Scripts that put no space between words, or, as Korean, hang much on a word. */
const UNSPACED = '\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}\\p{sc=Hangul}ー\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmer}\\p{sc=Myanmar}';
const IS_UNSPACED = new RegExp(`[${UNSPACED}]`, 'u');
const RUNS = new RegExp(
  `\\p{sc=Han}+|\\p{sc=Hiragana}+|[\\p{sc=Katakana}ー]+|\\p{sc=Hangul}+|[\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmer}\\p{sc=Myanmar}]+|[^${UNSPACED}]+`,
  'gu',
);
const IS_HAN = /\p{sc=Han}/u;

/**
 * What a text is found by: its words without those that tell nothing, each brought to its stem; of scripts without spaces each two letters
 * that stand together, and each Han character too (Nie, Gao, Zhang and Zhou, "On the Use of Words and N-grams for Chinese Information
 * Retrieval", 2000). O(length).
 */
export function terms(text: string): readonly string[] {
  const found: string[] = [];
  for (const word of words(text)) {
    if (IS_UNSPACED.test(word)) for (const run of word.match(RUNS) ?? []) pushRun(run, found);
    else if (!STOP.has(word) && (word.length > 1 || /[\p{N}]|[^\p{ASCII}]/u.test(word))) found.push(stemOf(word));
  }
  return found;
}

function pushRun(run: string, found: string[]): void {
  if (!IS_UNSPACED.test(run)) {
    found.push(stemOf(run));
    return;
  }
  const letters = Array.from(run);
  if (letters.length === 1 || IS_HAN.test(run)) for (const letter of letters) found.push(letter);
  for (let at = 1; at < letters.length; at++) found.push(`${letters[at - 1]}${letters[at]}`);
}

/** The stem of a word as `words` gives it. */
export function stemOf(word: string): string {
  if (word.length > STEM_WORD_MAX) return porter(word);
  const known = stems.get(word);
  if (known !== undefined) return known;
  if (stems.size >= STEMS_MAX) stems.clear();
  const stem = porter(IRREGULAR.get(word) ?? word);
  stems.set(word, stem);
  return stem;
}
