-- Appends records to one channel, all or none: what Redis does in a script nothing comes in between of, and its log has
-- as one transaction.
--
-- KEYS: the channel's standing, its log, its events, the log of the room's chat lane, three sets of client message ids
--       (the one of now first), the place where it is told.
-- ARGV: an epoch for a channel that has none, the epoch and the head that the caller knows, how much of the log is kept
--       (0: all), how long ids are remembered in ms (0: for ever), the beginning of a batch; then five for each record:
--       its id, its user, when it was taken, its effect, and the record with its length in front.
-- Answers "lost", or the epoch and "offset:at:repeat" for each record.
local standing, log, events, chat, ids, told = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[8]
local epoch = redis.call('HGET', standing, 'epoch')
local head = tonumber(redis.call('HGET', standing, 'head') or '0')
if epoch == ARGV[2] and head < tonumber(ARGV[3]) then
  return { 'lost' }
end
if not epoch then
  epoch = ARGV[1]
  redis.call('HSET', standing, 'epoch', epoch)
end

local function number(value)
  return string.format('%.0f', value)
end

-- Deletes what a user has said up to an offset.
local function clear(through, user)
  local from = '-'
  while true do
    local page = redis.call('XRANGE', chat, from, through, 'COUNT', 1000)
    for _, entry in ipairs(page) do
      if entry[2][2] == user then
        redis.call('XDEL', chat, entry[1])
      end
    end
    if #page < 1000 then
      return
    end
    from = '(' .. page[#page][1]
  end
end

local first = head + 1
local answer, news = { epoch }, {}
for i = 7, #ARGV, 5 do
  local id, user, at, effect, framed = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local place = redis.call('HGET', ids, id) or redis.call('HGET', KEYS[6], id) or redis.call('HGET', KEYS[7], id)
  if place then
    answer[#answer + 1] = place .. ':1'
  else
    head = head + 1
    local entry, record = number(head) .. '-0', string.sub(framed, 5)
    if ARGV[4] == '0' then
      redis.call('XADD', log, entry, 'u', user, 'r', record)
    else
      redis.call('XADD', log, 'MAXLEN', '~', ARGV[4], entry, 'u', user, 'r', record)
    end
    if effect ~= '' then
      redis.call('XADD', events, entry, 'u', user, 'r', record)
    end
    local deleted = string.match(effect, '^d(%d+)$')
    if deleted then
      redis.call('XDEL', chat, deleted .. '-0')
    end
    local through, whose = string.match(effect, '^c(%d+):(.*)$')
    if through then
      clear(through, whose)
    end
    place = number(head) .. ':' .. at
    redis.call('HSET', ids, id, place)
    answer[#answer + 1] = place .. ':0'
    news[#news + 1] = framed
  end
end
if #news > 0 then
  redis.call('HSET', standing, 'head', number(head))
  if ARGV[5] ~= '0' then
    redis.call('PEXPIRE', ids, ARGV[5])
  end
  local batch = ARGV[6] .. string.char(#epoch) .. epoch .. struct.pack('>I8', first) .. table.concat(news)
  redis.call('SPUBLISH', told, batch)
end
return answer
