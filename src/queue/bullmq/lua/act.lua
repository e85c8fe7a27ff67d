-- An operator's act on deliveries: given { act, who, why, on = { { id, n, r } } }. Answers how many
-- recipients it reached, how many are under way, and how many holds that stand keep, as "scope", count, …
define('act', function()
  local reached, kept = { done = 0, busy = 0, nothing = 0, kept = 0 }, {}
  for _, each in ipairs(given.on) do
    local what, by, scope = act(each.id, each.n, { act = given.act, who = given.who, why = given.why, r = each.r })
    reached[what] = reached[what] + (by or 0)
    if scope then
      kept[#kept + 1] = scope
      kept[#kept + 1] = by
    end
  end
  return { reached.done, reached.busy, kept }
end)
