// Starts Swagger UI. A sign-in or a refresh that is tried on the page authorises it at once.
"use strict";

const place = document.getElementById("swagger-ui");

function remember(answer) {
  const signsIn = /\/(login|register|refresh)$/.test(new URL(answer.url).pathname);
  if (signsIn && answer.ok && answer.body && answer.body.access_token) {
    ui.preauthorizeApiKey("bearer", answer.body.access_token);
  }
  return answer;
}

const ui = SwaggerUIBundle({
  url: place.dataset.schema,
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
  layout: "BaseLayout",
  validatorUrl: null,
  responseInterceptor: remember,
});
