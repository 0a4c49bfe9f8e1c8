-- Begins a new epoch in place of one of which something was lost, unless that has been done.
--
-- KEYS: the channel's standing. ARGV: the epoch that ends, and the new one.
if redis.call('HGET', KEYS[1], 'epoch') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'epoch', ARGV[2])
end
return 1
