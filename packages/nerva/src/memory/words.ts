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
  marriage marry,died death die,pic pics picture pictures photo`
    .split(',')
    .flatMap((row) => {
      const forms = row.trim().split(/\s+/);
      const base = forms.pop() ?? '';
      return forms.map((form) => [form, base] as const);
    }),
);

/** Of stems that were found: texts repeat their words. */
const STEMS_MAX = 50_000;
const stems = new Map<string, string>();

/** Words of a text in its order: letters and digits of any script, lower case, without accents and without the `'s` of a possessive. O(length). */
export function words(text: string): readonly string[] {
  return (
    text
      .normalize('NFKD')
      .toLowerCase()
      .replace(/\p{M}+/gu, '')
      .replace(/['’]s\b/g, '')
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

/** What a text is found by: its words without those that tell nothing, each brought to its stem. O(length). */
export function terms(text: string): readonly string[] {
  const found: string[] = [];
  for (const word of words(text)) if (!STOP.has(word) && (word.length > 1 || /[\p{N}]|[^\p{ASCII}]/u.test(word))) found.push(stemOf(word));
  return found;
}

/** The stem of a word as `words` gives it. */
export function stemOf(word: string): string {
  const known = stems.get(word);
  if (known !== undefined) return known;
  if (stems.size >= STEMS_MAX) stems.clear();
  const stem = porter(IRREGULAR.get(word) ?? word);
  stems.set(word, stem);
  return stem;
}
