"use strict";
// Addresses are relative, so the page works below any prefix; the validator badge would call a foreign server.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
  tryItOutEnabled: true,
});
