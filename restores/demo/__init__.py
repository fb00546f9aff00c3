"""`manage.py demo`: a throwaway server, protected, restored and compared before the reader's eyes.

Nothing here is used by the product itself; everything here uses the product as any installation does.
"""
