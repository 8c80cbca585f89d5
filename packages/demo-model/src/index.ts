export { DEMO_MODEL, demoModelPath, demoTexts } from './demo-model.js';
