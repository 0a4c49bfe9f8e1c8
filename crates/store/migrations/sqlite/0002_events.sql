-- Events beside texts, languages, answers, badges, and deletion that reaches back.

ALTER TABLE messages ADD COLUMN badge TEXT;
-- ISO 639-1, or NULL where the room could not tell.
ALTER TABLE messages ADD COLUMN language TEXT;
-- The message this one answers, and who wrote that.
ALTER TABLE messages ADD COLUMN reply_offset INTEGER;
ALTER TABLE messages ADD COLUMN reply_user TEXT;
-- What happened, as JSON; NULL for what was said.
ALTER TABLE messages ADD COLUMN event TEXT;
-- 1: the text is gone for ever. The row stays, so that its offset and its client id are not given again.
ALTER TABLE messages ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;

-- A node that opens a room folds its events, which are few among the messages.
CREATE INDEX messages_events ON messages (channel_id, message_offset) WHERE event IS NOT NULL;
