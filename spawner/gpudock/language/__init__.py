"""The languages of what people read: English in the code, others from catalogs.

A sentence that a person may read is a :class:`Message`. It is a ``str``, in English, and so it goes
through logs, errors and the database as one; and it keeps what is needed to write it in another
language where it reaches its reader, which is where :func:`~gpudock.language.catalog.localized` is
called and not before.
"""

from gpudock.language.message import Message, counted, message_of, sentences, worded

__all__ = ["Message", "counted", "message_of", "sentences", "worded"]
