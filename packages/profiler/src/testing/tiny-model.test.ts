import { activationSourceSuite } from '@thermocline/contracts/testing';
import { tinyModel } from './tiny-model.js';

activationSourceSuite('tiny model', {
  source: () => tinyModel(),
  text: 'A small boat went out to sea.',
});
