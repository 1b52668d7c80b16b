import { memoryStore } from './index.ts';
import { storeContract, testWorld } from '../testing/index.ts';

storeContract('memoryStore', (options) => {
  const world = testWorld();
  return Promise.resolve({ store: memoryStore({ world, ...options }), world });
});
