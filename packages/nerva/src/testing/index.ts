export { testWorld, type TestWorld } from './world.ts';
