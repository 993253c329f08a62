/** Starts the page: network source, state and views. */

import { Application } from "./app.js";
import { showBanner } from "./banner.js";
import { mountLectureMode } from "./lecture_mode.js";
import { mountHeader } from "./header.js";
import { mountPhases } from "./phases.js";
import { fileSource } from "./source/file.js";
import { serverSource } from "./source/server.js";
import { errorMessage } from "./error_message.js";
import { mount as mountSheet } from "./views/sheet/view.js";
import { mount as mountInput } from "./views/input/view.js";
import { mount as mountComputation } from "./views/computation/view.js";
import { mount as mountDiagram } from "./views/diagram/view.js";
import { mount as mountTrain } from "./views/train/view.js";
import { mount as mountWhy } from "./views/why/view.js";

const VIEWS = {
  diagram: mountDiagram,
  input: mountInput,
  computation: mountComputation,
  train: mountTrain,
  why: mountWhy,
  sheet: mountSheet, // last, since the keys of the others take precedence
};

/** Mounts the views. If a view fails, the others must still be mounted. @param {Application} app */
function mountViews(app) {
  for (const [name, mount] of Object.entries(VIEWS)) {
    const section = document.getElementById(name);
    if (!section) continue;
    try {
      mount(section, app);
    } catch (error) {
      reportError(error);
      app.showError(name, error);
    }
  }
}

async function start() {
  const loading = document.getElementById("loading");
  try {
    const source = (await fileSource()) ?? serverSource();
    source.samples().catch(() => undefined); // prefetched; a failure is reported where they are used
    const description = await source.description();
    const app = new Application(source, description);
    mountLectureMode(app);
    mountHeader(app);
    mountPhases(app);
    mountViews(app);
    await app.begin();
    loading?.remove();
    document.documentElement.dataset.ready = "";
  } catch (error) {
    if (loading) loading.textContent = "The network could not be loaded. Reload the page once the problem is fixed.";
    showBanner("start", errorMessage(error));
    if (!(error instanceof Error)) reportError(error);
  }
}

start();
