"""Who is it? From what a request presents to a verified principal. Pure: keys and the time are passed in."""
