import { stemOf } from './words.ts';

/**
 * What is asked for by the name of its kind and said by its own: who is asked about pets speaks of a dog. The first word of a row is asked,
 * the rest is said. Everyday words, written down once and not taken from any set of questions; a larger table (WordNet) was measured not to help.
 */
const ROWS = `job work career profession occupation employ boss office colleague company business
work job career office
career job work
pet dog cat puppy kitten animal
animal dog cat pet
child son daughter baby
parent mother father
sibling brother sister
family parent child mother father brother sister son daughter grandmother grandfather cousin aunt uncle husband wife
spouse husband wife partner marry
partner husband wife boyfriend girlfriend spouse date
relationship husband wife boyfriend girlfriend partner date marry single
relative family cousin aunt uncle grandmother grandfather
friend buddy pal mate
trip travel vacation visit tour flight
travel trip visit vacation tour fly
vacation trip travel holiday beach
place city town country park
city town country place
country city travel
live move home house apartment
home house apartment
movie film show series watch
show movie series watch
book read author novel story
read book novel author story
author book write novel
music song band concert sing instrument guitar piano listen album
instrument guitar piano violin drum play
song music band sing
artist painter singer musician band paint
food eat meal dish cook recipe dinner lunch breakfast restaurant
meal dinner lunch breakfast dish food cook
dish food recipe cook meal
restaurant food eat dinner
drink coffee tea beer wine
hobby enjoy love passion interest
interest hobby passion enjoy love
activity enjoy hobby play game sport
sport soccer football basketball tennis baseball swim run game team
exercise workout gym run yoga fitness
game play team match
health sick doctor hospital ill injury pain medicine
illness sick doctor hospital
school college university study class
education school college university study degree
degree college university study major graduate
study school college university class
university college school
buy purchase order shop
purchase buy order
money budget price cost pay
cost price pay money
vehicle car truck bike
car drive vehicle
celebrate party birthday anniversary
event party concert festival meeting
holiday christmas thanksgiving easter vacation
art paint draw sculpture
paint art draw
plant flower garden grow
nature hike camp mountain forest park beach
outdoor hike camp mountain nature park
stress anxious worry overwhelm nervous
feel happy sad excite nervous proud anxious
emotion feel happy sad
goal plan dream hope want
plan want hope go
finish complete end
win award prize
award prize win
problem issue trouble challenge struggle
challenge difficult struggle hard problem
help support assist volunteer
charity volunteer donate
advice suggest recommend tip
suggest advice recommend
recommend suggest advice
religion church faith god pray
religious church faith god
weather rain snow sun cold hot
device computer laptop phone tablet
language speak english spanish french german
favorite love best like
inspire motivate reason
reason because motivate
nickname call name
old age birthday
personality kind shy confident honest
color red blue green yellow black white purple pink
error bug issue exception fail
bug error issue fix
deadline date due
schedule plan calendar date
meeting call schedule
improve increase better
reduce decrease lower
feature function implement add`;

let topics: ReadonlyMap<string, readonly string[]> | undefined;

/** Stems of what is said where this stem is asked for; empty for most. */
export function saidOf(stem: string): readonly string[] {
  topics ??= new Map(
    ROWS.split('\n').map((row) => {
      const [asked = '', ...said] = new Set(row.split(' ').map(stemOf));
      return [asked, said];
    }),
  );
  return topics.get(stem) ?? [];
}
