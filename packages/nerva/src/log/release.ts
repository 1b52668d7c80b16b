/** The version of Nerva that writes frames; a test holds it equal to package.json. */
export const RELEASE = '0.1.0';
