// Starts ReDoc.
"use strict";

const place = document.getElementById("redoc");
Redoc.init(place.dataset.schema, { hideLoading: true, nativeScrollbars: true }, place);
