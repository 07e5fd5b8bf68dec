"""Training of policies and process reward models with transformers' Trainer. Needs the ``finetune`` extra."""
