// From a fresh checkout to a model that writes: set up, then let the demo model tell a story.
import { setup } from './setup.mjs';
import { runCommandLine } from './thermocline.mjs';

setup();
runCommandLine(['demo']);
