export { DEMO_MODEL, demoModelPath, demoTexts, demoTrainingText } from './demo-model.js';
