-- Add tasks to a stream, no more than keep a group's unfinished ones below a bound.
-- Unfinished is what is pending plus what is unread. The look and the XADDs are one step, so that
-- several producers together cannot go past the bound either.
--
-- A script whose reply was lost may be sent again: what it answered is remembered for a minute.
-- IDMP would not do: the second time the bound is full of the first time's tasks.
--
-- KEYS[1]  the stream
-- KEYS[2]  where the last answer to this producer is kept
-- ARGV[1]  the group
-- ARGV[2]  the bound, >= 1
-- ARGV[3]  what tells this sending from all others
-- ARGV[4…] task_id, data, created_at of each task
-- Returns {the ids of those added, in order; the unfinished before; the error that ended it or ''}.

local stream, bound = KEYS[1], tonumber(ARGV[2])

local function found_group()
    if redis.call('EXISTS', stream) == 0 then return nil end
    for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
        local group = {}
        for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
        if group['name'] == ARGV[1] then return group end
    end
    return nil
end

local function unfinished()
    local group = found_group()
    if not group then return redis.call('XLEN', stream) end
    local pending = group['pending']
    if group['lag'] then return pending + group['lag'] end
    -- 6.2, or after a deletion: the lag is not known, and counted, no further than the bound.
    local most = math.max(1, bound - pending)
    local unread = redis.call('XRANGE', stream, '(' .. group['last-delivered-id'], '+', 'COUNT', most)
    return pending + #unread
end

local answered = redis.call('GET', KEYS[2])
if answered then
    local sending, added, depth = unpack(cjson.decode(answered))
    if sending == ARGV[3] then return {added, depth, ''} end
end

local depth, added = unfinished(), {}
for i = 4, #ARGV, 3 do
    if depth + #added >= bound then break end
    local id = redis.pcall('XADD', stream, '*', 'task_id', ARGV[i], 'data', ARGV[i + 1],
        'created_at', ARGV[i + 2])
    if type(id) == 'table' and id.err then return {added, depth, id.err} end
    table.insert(added, id)
end
if #added > 0 then
    redis.call('SET', KEYS[2], cjson.encode({ARGV[3], added, depth}), 'PX', 60000)
end
return {added, depth, ''}
