-- Delete the entries that every group has read and acknowledged, and no other (F41).
-- The cut lies below the smallest of, over all groups: the oldest pending id, and the last
-- delivered id. The look and the XTRIM are one step, or a group could fall behind between them.
--
-- KEYS[1]  the stream
-- ARGV[1]  how many entries to delete at most; 0 for all that may go
-- Returns {how many were deleted, how many are left, 1 if the oldest of those is done as well}.

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

if redis.call('EXISTS', KEYS[1]) == 0 then return {0, 0, 0} end
local cut
local pending = {}
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = {}
    for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
    local candidates = {group['last-delivered-id']}
    local oldest = redis.call('XPENDING', KEYS[1], group['name'])[2]
    if oldest then
        table.insert(candidates, oldest)
        pending[oldest] = true
    end
    for _, id in ipairs(candidates) do
        if not cut or before(id, cut) then cut = id end
    end
end
local deleted = 0
if cut and cut ~= '0-0' then  -- no group: nobody has read anything
    if tonumber(ARGV[1]) > 0 then
        deleted = redis.call('XTRIM', KEYS[1], 'MINID', '~', cut, 'LIMIT', ARGV[1])
    else
        deleted = redis.call('XTRIM', KEYS[1], 'MINID', '=', cut)
    end
end
local done = cut and not pending[cut] and #redis.call('XRANGE', KEYS[1], cut, cut) > 0
return {deleted, redis.call('XLEN', KEYS[1]), done and 1 or 0}
