-- Small state by itself: given { also }.
define('state', function()
  return applyEntries(given.also)
end)
