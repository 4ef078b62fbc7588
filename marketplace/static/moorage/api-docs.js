// Swagger UI from our own static files, told where the schema is.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("swagger");
  SwaggerUIBundle({
    url: place.dataset.schema,
    domNode: place,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: -1,
    presets: [SwaggerUIBundle.presets.apis],
    validatorUrl: null,
  });
});
