export { recallIndex, type Hit, type Passage, type RecallIndex, type RecallOptions, type Shares, type Why } from './recall.ts';
