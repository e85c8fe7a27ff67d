-- An operator's act on deliveries: given { act, who, why, on = { { id, n, r } } }. Answers how many
-- recipients it reached, and how many are under way.
define('act', function()
  local reached = { done = 0, busy = 0, nothing = 0 }
  for _, each in ipairs(given.on) do
    local what, by = act(each.id, each.n, { act = given.act, who = given.who, why = given.why, r = each.r })
    reached[what] = reached[what] + (by or 0)
  end
  return { reached.done, reached.busy }
end)
