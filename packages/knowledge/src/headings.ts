/** Where a new part of a text begins. */
export interface Section {
  readonly at: number;
  /** Headings that it stands under, outermost first, its own last. */
  readonly path: readonly string[];
  /** It never shares a piece with what comes before it: a page. */
  readonly isApart?: boolean;
}

/** A heading, as its text and depth. */
export interface Heading {
  readonly at: number;
  /** From 1. */
  readonly level: number;
  readonly text: string;
}

/** The sections that headings open. */
export function sectionsOf(headings: readonly Heading[]): readonly Section[] {
  const open: Heading[] = [];
  return headings.map((heading) => {
    while ((open.at(-1)?.level ?? 0) >= heading.level) open.pop();
    open.push(heading);
    return { at: heading.at, path: open.map(({ text }) => text) };
  });
}
