-- Acknowledge entries, and delete those that every group is done with: XACKDEL … ACKED for
-- servers before 8.2.
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2…] the ids
-- Returns how many were pending.

local function parts(id) return string.match(id, '^(%d+)-(%d+)$') end

-- Ids are 64-bit; Lua's numbers hold 53 bits of them. Decimal text of equal length compares right.
local function smaller(a, b)
    if #a ~= #b then return #a < #b end
    return a < b
end

local function before(a, b)
    local a_ms, a_seq = parts(a)
    local b_ms, b_seq = parts(b)
    if a_ms ~= b_ms then return smaller(a_ms, b_ms) end
    return smaller(a_seq, b_seq)
end

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end  -- XINFO would call that an error
local groups = {}
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = {}
    for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
    table.insert(groups, group)
end

local function done_by_all(id)
    for _, group in ipairs(groups) do
        if before(group['last-delivered-id'], id) then return false end
        if #redis.call('XPENDING', KEYS[1], group['name'], id, id, 1) > 0 then return false end
    end
    return true
end

local acknowledged = 0
for i = 2, #ARGV do
    acknowledged = acknowledged + redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
    if done_by_all(ARGV[i]) then redis.call('XDEL', KEYS[1], ARGV[i]) end
end
return acknowledged
