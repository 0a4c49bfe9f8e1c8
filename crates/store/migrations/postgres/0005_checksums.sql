-- What was written is known again: a byte that the disk has changed since is found when it is read.

-- CRC-32 of the other columns; NULL where none was made, or the row was changed since.
ALTER TABLE messages ADD COLUMN checksum bigint;

-- Whatever is erased is erased by an older release, too, which knows of no checksum.
CREATE FUNCTION messages_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.checksum := NULL;
    RETURN NEW;
END;
$$;
CREATE TRIGGER messages_changed
    BEFORE UPDATE OF user_id, name, text, badge, reply_offset, reply_user, event ON messages
    FOR EACH ROW EXECUTE FUNCTION messages_changed();
