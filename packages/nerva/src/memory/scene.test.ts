/** The code of the failure that a call throws, or null. */
export function codeOf(act: () => unknown): string | null | undefined {
  try {
    act();
    return null;
  } catch (error) {
    return (error as { readonly code?: string }).code;
  }
}
