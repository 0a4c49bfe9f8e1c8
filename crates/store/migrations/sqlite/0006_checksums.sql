-- What was written is known again: a byte that the disk has changed since is found when it is read.

-- CRC-32 of the other columns; NULL where none was made, or the row was changed since.
ALTER TABLE messages ADD COLUMN checksum INTEGER;

-- Whatever is erased is erased by an older release, too, which knows of no checksum.
CREATE TRIGGER messages_changed AFTER UPDATE OF user_id, name, text, badge, reply_offset, reply_user, event ON messages
WHEN OLD.checksum IS NOT NULL
BEGIN
    UPDATE messages SET checksum = NULL WHERE channel_id = NEW.channel_id AND message_offset = NEW.message_offset;
END;
