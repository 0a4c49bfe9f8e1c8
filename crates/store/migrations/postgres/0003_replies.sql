-- Whoever is forgotten is forgotten in the answers of others, too.
CREATE INDEX messages_replies ON messages (channel_id, reply_user) WHERE reply_user IS NOT NULL;
