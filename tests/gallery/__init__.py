"""Every page of the product in every state that a visitor may meet it in.

`stage` fills a market with those states, `shots` lists what is looked at, `camera` opens one shot and says what a visitor would not forgive.
The suite walks the list once per width; `python -m tests.gallery FOLDER` keeps the pictures of all of it.
"""
