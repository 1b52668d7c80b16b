export { recallIndex, type Hit, type Passage, type RecallIndex, type RecallOptions, type Why } from './recall.ts';
