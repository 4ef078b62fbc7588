"""The doors that the Hugging Face client knows: what is offered, read by `huggingface_hub` and `hf`. Nothing is written here (docs/huggingface.md)."""
