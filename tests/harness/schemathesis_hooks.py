"""What schemathesis cannot know of an API that does nothing twice: a name that is used once more has to be a new one.

It would give one Idempotency-Key to requests that differ, and is right that they are valid, each by itself; that the second
is refused is promised, and is tested in crates/api. What is no name at all, and has to be refused, is left as it is.
"""

import re
import uuid

import schemathesis

KEY = "Idempotency-Key"
LEGAL = re.compile(r'("[A-Za-z0-9._:-]{1,64}"|[A-Za-z0-9._:-]{1,64})')


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers
    if headers and LEGAL.fullmatch(str(headers.get(KEY, ""))):
        headers[KEY] = str(uuid.uuid4())
