"""The documentation as pages: `docs/` rendered under /docs/, and as a folder of plain HTML (`manage.py build_docs`). Imports no other app but the catalog's renderer."""
