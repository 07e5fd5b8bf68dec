"""The bundled problems and models: ``python -m asyncsearch.finetune.arithmetic DIRECTORY`` makes them."""
